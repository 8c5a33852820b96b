"""Terminal output: renders what other packages return; decides nothing."""
