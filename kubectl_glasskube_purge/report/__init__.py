"""What a person and a script get to see. Reads plans, events and outcomes; decides nothing."""
