"""Where blocks come from, one kind of source per file; a source's ``kind`` is its module's name.

A module offers ``Options`` (a msgspec Struct: what its ``[[source]]`` table may say) and ``Source(options)``.
"""
