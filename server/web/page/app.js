document.body.append("Moot")
