"""What compare.py measures, one module for each kind of comparison."""
