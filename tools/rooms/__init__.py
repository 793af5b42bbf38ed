"""The rooms of the sources, which of them use which, and which of them may."""
