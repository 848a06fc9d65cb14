//! A stand-in for the voodu controller and CLI that really runs docker.
