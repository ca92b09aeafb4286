"""Parts of the wire's messages, one subject per file; ``farm_agent.wire`` puts them together."""
