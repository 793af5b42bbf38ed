"""The parts of tools/same_bits: cases, run in each of two environments, and what compares them."""
