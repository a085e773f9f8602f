"""Hidden sets: who may commit to one, how rounds draw and judge them, and what becomes of bonds."""
