"""The exact search behind the placers: tables, moves, proposals."""
