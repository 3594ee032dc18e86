"""The job, in the order the data flows: survey, guard, plan, execute, verify."""
