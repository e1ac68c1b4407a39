"""What a network does: accuracy, activity, operations, wiring length."""
