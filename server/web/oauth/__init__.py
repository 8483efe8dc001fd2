"""Tokens that were not made by `moot tokens add`: of apps that a person connected, and of a company's issuer.

`room.py` is what the rest of the door sees. For apps such as claude.ai and ChatGPT this is an authorization server of
its own, in the SDK's words: `provider.py` keeps to them, `clients.py` and `documents.py` say who may ask, `consent.py`
asks the person, `guard.py` stands before it all, `metadata.py` tells apps where what is. `company.py` reads the JWTs
of an issuer that stands in `credentials.json`, with the keys of `company_keys.py`. Another kind of token is another
`TokenVerifier`, and a line in `room.py` that makes a `Person` of what it found.
"""
