"""A start that keeps modules whole: find them, pack them onto cores, exchange them."""
