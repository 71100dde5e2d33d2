"""What people would use instead of Daybook: three of its marts, or its load alone, written by hand with other tools.

What belongs here: scripts, each as somebody who knows the tool would write it, and no slower. They take the events as
they are: nothing is validated, nothing personal is replaced, no books are kept, and every run starts from nothing.
What does not: measuring them.
"""
