"""One module per journey: survey, decide, ask, act, survey again."""
