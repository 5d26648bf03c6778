from hypothesis import HealthCheck, settings

# A law holds or it does not; how fast it is drawn and checked depends on what else the machine does.
settings.register_profile("laws", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laws")
