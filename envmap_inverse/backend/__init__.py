"""Choose a Mitsuba variant, and a libLLVM that works before Dr.Jit looks for one.

Dr.Jit loads libLLVM while it is imported. `mi` and `dr` are Mitsuba and Dr.Jit, imported at their
first use, after a libLLVM was chosen: importing this package is cheap, sets no variant, and works
(as far as `envmap-inverse doctor`) where Mitsuba does not load.
"""

from envmap_inverse.backend.modules import dr, mi
from envmap_inverse.backend.variant import limited_threads, select_variant

__all__ = ["dr", "limited_threads", "mi", "select_variant"]
