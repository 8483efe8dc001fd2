"""What is secret, by its name and by what stands in it, as data: `rules/`.

A kind of secret is a rule in `rules/moot.toml` or a name in `rules/names.toml`; `gitleaks.toml` is replaced as a whole.
"""
