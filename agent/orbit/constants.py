"""The numbers of SGP4's gravity model and the columns of its table of initialised constants.

SGP4 is fitted and evaluated with WGS 72, whatever ellipsoid a station uses; mixing in WGS 84 here would make
every element set worse. Knows no equation. The column names are read by the initialisation (NumPy) and by the
kernels (Numba), which freeze them: this file must not change without the kernels' cache being rebuilt.
Source: Hoots and Roehrich, Spacetrack Report No. 3 (1980); Vallado et al., AIAA 2006-6753, table 1.
"""

from __future__ import annotations

from typing import Final

MU_KM3_S2: Final = 398600.8
EARTH_RADIUS_KM: Final = 6378.135
XKE: Final = 60.0 / (EARTH_RADIUS_KM**3 / MU_KM3_S2) ** 0.5
"""Square root of the gravitational parameter, in Earth radii to the 3/2 a minute."""
J2: Final = 0.001082616
J3: Final = -0.00000253881
J4: Final = -0.00000165597
J3_OVER_J2: Final = J3 / J2

DEEP_SPACE_PERIOD_MIN: Final = 225.0
RESONANCE_STEP_MIN: Final = 720.0
EARTH_ROTATION_RAD_MIN: Final = 4.37526908801129966e-3
SUN_MEAN_MOTION_RAD_MIN: Final = 1.19459e-5
SUN_ECCENTRICITY: Final = 0.01675
MOON_MEAN_MOTION_RAD_MIN: Final = 1.5835218e-4
MOON_ECCENTRICITY: Final = 0.05490

# Columns of the table, one row a satellite. First what both theories use …
(
    E0,
    I0,
    M0,
    ARGP0,
    N0,
    A0,
    BSTAR,
    MDOT,
    ARGPDOT,
    NODEDOT,
    NODE0,
    NODECF,
    CC1,
    BCC4,
    T2COF,
    AYCOF,
    XLCOF,
    COSI,
    SINI,
    KEPLER_STEPS,
    LARGE_E,
    # … then the higher drag terms of the near-earth theory (zero where it is simplified) …
    ETA,
    OMGCOF,
    XMCOF,
    DELMO,
    SINMAO,
    BCC5,
    D2,
    D3,
    D4,
    T3COF,
    T4COF,
    T5COF,
    # … and the lunar-solar terms and resonances of deep space.
    DEEP,
    RESONANCE,
    DEDT,
    DIDT,
    DMDT,
    DOMDT,
    DNODT,
    ZMOS,
    SE2,
    SE3,
    SI2,
    SI3,
    SL2,
    SL3,
    SL4,
    SGH2,
    SGH3,
    SGH4,
    SH2,
    SH3,
    ZMOL,
    EE2,
    E3,
    XI2,
    XI3,
    XL2,
    XL3,
    XL4,
    XGH2,
    XGH3,
    XGH4,
    XH2,
    XH3,
    GST0,
    XLAMO,
    XFACT,
    DEL1,
    DEL2,
    DEL3,
    D2201,
    D2211,
    D3210,
    D3222,
    D4410,
    D4422,
    D5220,
    D5232,
    D5421,
    D5433,
) = range(82)
COLUMNS: Final = 82
