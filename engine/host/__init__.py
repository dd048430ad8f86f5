"""The model host: a process of its own that owns the loaded model and samples for every window of its user.

It speaks the OpenAI chat-completions protocol over a Unix socket (`python -P -m engine.host`).  `engine.generation`
starts it and talks to it, and never imports it: only `backend` imports llama.cpp, and a crash of llama.cpp ends this
process alone.  Nothing here knows of candidates, tests or editors.
"""
