"""Record the light transport of a scene, and plan pictures with it."""
