"""Greenfinch's language server: code actions, commands, jobs with progress, and verified workspace edits.

It knows the Language Server Protocol and nothing of how candidates are found: that is `engine.session`'s business.
No model code and no numpy is ever loaded into this process.
"""
