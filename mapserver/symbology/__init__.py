"""Styles of other programs out of the one source, `styles/*.json`: SLD 1.0, SLD 1.1 (SE 1.1) and QGIS's QML.

expressions.py takes MapLibre expressions apart, rules.py makes rules of them, sld.py and qml.py write those down. What
cannot be said in a rule is told, never left out in silence."""
