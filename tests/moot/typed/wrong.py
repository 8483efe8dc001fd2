"""What type checkers must complain of: each line marked so, and no other."""

import moot


async def main() -> None:
    await moot.ask("x", temprature=0.2)  # wrong
    await moot.ask("x", temperature="hot")  # wrong
    await moot.ask("x", "gpt")  # wrong
    await moot.ask()  # wrong
    print((await moot.ask("x")).txt)  # wrong
    await moot.debate("x", rounds="two")  # wrong
    await moot.call_ai_async("a", "x", seed=7)  # wrong
    await moot.call_ai_async("a", "x", effort="huge")  # wrong
    moot.sync.ask("x", temprature=0.2)  # wrong
    moot.sync.call_ai("a", "x", max_tokenz=1)  # wrong
    print(moot.aks)  # wrong
    async with moot.open(on_evnt=print) as m:  # wrong
        await m.ask("x", temprature=0.2)  # wrong
        await m.ask_many("x", ais="gpt")  # wrong
    async with await moot.create_async_ai_client("a") as client:
        await client.generate("x", sytem="y")  # wrong
