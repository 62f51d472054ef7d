"""Pure rules, one module a concern: `step(state, event, now) -> (state, effects)`."""
