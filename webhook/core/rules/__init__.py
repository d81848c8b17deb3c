"""Evidence + what a rule asks → what is wrong: one module per kind of question."""
