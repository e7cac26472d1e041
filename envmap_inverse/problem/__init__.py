"""Problems and their parts: views, noise, checks, and solutions."""
