"""Device kinds, one TOML file each, and their loader."""

from farm_profiles.profile import Limits, Profile, Reach, Support, Target

__all__ = ["Limits", "Profile", "Reach", "Support", "Target"]
