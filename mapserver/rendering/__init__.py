"""The one renderer of pictures: MapLibre Native in child processes, fed with tiles that were asked as the caller.

painter.py gathers what a picture needs, pool.py keeps the children, child.py draws, canvas.py warps and encodes."""
