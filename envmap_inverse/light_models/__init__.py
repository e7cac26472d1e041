"""Maps that follow from few numbers: harmonics, Gaussians, sun and sky."""
