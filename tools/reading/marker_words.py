"""What the lines that carry an answer are called, in the languages that models answer in."""

from __future__ import annotations

_FIELDS = {
    "ANSWER": """answer, answers, final answer, final, solution, result, final result, final response, antwort,
        endantwort, lösung, ergebnis, endergebnis, réponse, réponse finale, résultat, respuesta, respuesta
        final, resultado, solución, resposta, resposta final, risposta, risposta finale, risultato, antwoord,
        eindantwoord, svar, slutsvar, slutligt svar, endeligt svar, vastaus, odpowiedź, odpověď, odpoveď,
        válasz, răspuns, cevap, yanıt, sonuç, ответ, окончательный ответ, итог, відповідь, отговор, απάντηση,
        תשובה, الإجابة, الجواب, الإجابة النهائية, پاسخ, उत्तर, উত্তর, คำตอบ, đáp án, trả lời, câu trả lời,
        jawaban, jawapan, 答案, 最终答案, 最終答案, 答, 回答, 最终回答, 答え, 最終的な答え,
        解答, 답, 정답, 답변, 최종 답변, 최종 답, odgovor, одговор,
        atsakymas, atbilde, vastus, jibu""",
    "CONFIDENCE": """confidence, confidence level, certainty, sureness, konfidenz, sicherheit, zuversicht, vertrauen,
        confiance, niveau de confiance, confianza, confiança, fiducia, confidenza, vertrouwen, zekerheid,
        säkerhet, sikkerhed, sikkerhet, varmuus, pewność, jistota, istota, bizalom, încredere, güven,
        уверенность, впевненість, увереност, βεβαιότητα, ביטחון, الثقة, اطمینان, विश्वास, ความมั่นใจ, độ tin
        cậy, keyakinan, 置信度, 信心, 确信度, 信心度, 確信度, 自信, 신뢰도, 확신도""",
    "CONVINCED BY": "convinced by, convinced, persuaded by, überzeugt von, convaincu par, convencido por, convinto da",
    "POSITION": """position, final position, my position, stance, standpunkt, haltung, posición, postura, posição,
        posizione, standpunt, ståndpunkt, stanowisko, stanovisko, позиция, позиція, θέση, עמדה, الموقف, 立场,
        立場,
        主張, 입장, pozisyon""",
    "CHANGED": """changed, change, changed position, changed my mind, geändert, changé, modifié, cambiado, cambio,
        mudou,
        alterado, cambiato, gewijzigd, ändrad, zmieniono, изменено, 是否改变, 改变, 改變, 変更, 변경""",
    "VERDICT": """verdict, final verdict, judgement, judgment, ruling, decision, urteil, verdikt, entscheidung, fazit,
        décision, jugement, veredicto, fallo, decisión, veredito, decisão, verdetto, decisione, oordeel,
        uitspraak, dom, dommen, päätös, werdykt, wyrok, verdikt, rozsudek, ítélet, verdict final, karar, hüküm,
        вердикт, решение, рішення, ετυμηγορία, פסק דין, الحكم, رأی, फ़ैसला, निर्णय, คำตัดสิน, phán quyết,
        putusan,
        判定, 裁决, 裁決, 结论, 結論, 判決, 判断, 판결, 결론, 판정""",
    "DISSENTERS": """dissenters, dissenter, dissent, dissents, dissenting, abweichler, abweichend, dissidents,
        disidentes,
        dissidenti, dissidentes, 异议者, 異議者, 反对者, 反対者, 반대자, несогласные""",
    "BETTER": """better, best, winner, better answer, the better answer, preferred, preference, besser, meilleur, mejor,
        melhor, migliore, beter, лучше, 更好, 更优, より良い, 더 나은 답""",
    "RANKING": """ranking, rank, final ranking, order, ranked, rangfolge, reihenfolge, rangliste, classement,
        clasificación, ranking final, classificação, classifica, rangschikking, рейтинг,
        排名, 排序, 順位, ランキング, 순위""",
    "POSITIONS": "positions",
    "REASON": """reason, reasons, reasoning, rationale, explanation, justification, argument, arguments, analysis,
        thoughts, thinking, statement, begründung, gründe, raisons, razones, razonamiento, motivi, redenen,
        причины, обоснование, 理由, 推理, 分析, 이유""",
}
NAMES = {
    word.strip().casefold(): field for field, words in _FIELDS.items() for word in words.replace("\n", " ").split(",")
}
NAMES = {" ".join(word.split()): field for word, field in NAMES.items()}
_BEFORE = frozenset("my the our your final correct short overall so and thus therefore hence closing last own".split())  # noqa: SIM905
_AFTER = frozenset("is are final level score here".split())  # noqa: SIM905


def field_of(label: str) -> str | None:
    """The field that a line labelled *label* carries."""
    words = label.casefold().replace("_", " ").split()
    for _ in range(4):
        if not words or len(words) > 6:
            return None
        if found := NAMES.get(" ".join(words)):
            return found
        if words[0] in _BEFORE:
            words = words[1:]
        elif words[-1] in _AFTER:
            words = words[:-1]
        else:
            return None
    return None
