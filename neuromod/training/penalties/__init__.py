"""What connections cost, and the steps that charge it."""
