"""What a browser shows: ES modules and a style sheet as they are written, and nothing from outside.

`assets.py` serves them. `index.html` is the one page; each `*.js` is a module with one subject. No build step: what
lies here is what the browser gets. All text of AIs comes as trees (`server/markdown.py`), never as HTML.
"""
