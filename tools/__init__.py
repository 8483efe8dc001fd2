"""What the product does: one file, one recipe, readable aloud.

A tool is one typed async function whose first argument is the `Run` it happens in. Its docstring and parameter
descriptions are its interface: models read them. It may import core and ai, never mcp, a web framework or another
tool; what tools share lives in modules with a leading underscore. To add one, write the file and name it in
`server/toolbox.py`.
"""
