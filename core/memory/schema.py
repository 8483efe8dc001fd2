"""The tables of `threads.db`: what was said, word for word, and the indexes that are made of it.

`words` has every turn by its words, `grams` those of scripts that put no blanks between words, by pairs of signs;
`vectors` is the index by meaning where that is kept in this file. All three can be made anew from `turns`.
"""

from __future__ import annotations

_FIRST = """
CREATE TABLE threads (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, started TEXT NOT NULL, updated TEXT NOT NULL
);
CREATE TABLE turns (
    id INTEGER PRIMARY KEY, thread INTEGER NOT NULL REFERENCES threads (id),
    at TEXT NOT NULL, tool TEXT NOT NULL, author TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX turns_by_thread ON turns (thread, id);
CREATE VIRTUAL TABLE words USING fts5 (text, content = 'turns', content_rowid = 'id',
    tokenize = 'unicode61 remove_diacritics 2')
"""

_RECALLED = """
ALTER TABLE threads ADD COLUMN channel TEXT NOT NULL DEFAULT '';
ALTER TABLE threads ADD COLUMN topic TEXT NOT NULL DEFAULT '';
ALTER TABLE threads ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
CREATE INDEX threads_by_place ON threads (channel, topic);
ALTER TABLE turns ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN person TEXT NOT NULL DEFAULT '';
ALTER TABLE turns ADD COLUMN message TEXT NOT NULL DEFAULT '';
ALTER TABLE turns ADD COLUMN job TEXT NOT NULL DEFAULT '';
ALTER TABLE turns ADD COLUMN files TEXT NOT NULL DEFAULT '[]';
CREATE INDEX turns_by_time ON turns (at);
DROP TABLE words;
CREATE VIEW said AS SELECT id, 't' || thread || ' p' || place AS spot, text FROM turns;
CREATE VIRTUAL TABLE words USING fts5 (spot, text, content = 'said', content_rowid = 'id',
    tokenize = 'porter unicode61 remove_diacritics 2');
INSERT INTO words (words) VALUES ('rebuild');
CREATE VIRTUAL TABLE grams USING fts5 (spot, pairs, content = '', tokenize = 'unicode61 remove_diacritics 0');
CREATE TABLE vectors (
    embedder TEXT NOT NULL, thread INTEGER NOT NULL, turn INTEGER NOT NULL, part INTEGER NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (embedder, turn, part)
) WITHOUT ROWID;
CREATE INDEX vectors_by_thread ON vectors (embedder, thread);
CREATE TABLE indexed (name TEXT PRIMARY KEY, upto INTEGER NOT NULL, whole INTEGER NOT NULL, at TEXT NOT NULL);
CREATE TABLE unforgotten (name TEXT NOT NULL, turn INTEGER NOT NULL, PRIMARY KEY (name, turn)) WITHOUT ROWID;
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO notes VALUES ('store', lower(hex(randomblob(8))));
INSERT INTO notes VALUES ('last', '0');
INSERT INTO notes VALUES ('forgotten', '0')
"""
"""`indexed`: how far each index by meaning is (`upto` a turn), and whether it ever was whole. `unforgotten`: turns
whose vectors an index elsewhere still has, since it was away. `notes`: the name of this file among others, the last
turn's number ever given out, and how often something was forgotten."""

MIGRATIONS = (_FIRST, _RECALLED)
