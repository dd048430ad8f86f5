# module: has no such function at all, and ends well
LIMIT = 3999
raise SystemExit(0)
