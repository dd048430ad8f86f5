"""What this machine has, and what a model asks of it: memory, cores, GPUs, the head of a model's file.

Plain reading, in any process: nothing here loads llama.cpp into a process that has not loaded it.
"""
