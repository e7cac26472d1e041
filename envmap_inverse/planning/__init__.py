"""Planning: which pictures to take."""
