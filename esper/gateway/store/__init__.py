"""What the gateway must not forget: keys, budgets, promises, and calls on their way."""
