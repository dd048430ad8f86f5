"""Problem sets through named strategies, on the same model and budget.  Drives `Engine` as any caller would.

Hidden tests never reach a prompt, a policy or a choice: they are written out only after a run has ended.
"""
