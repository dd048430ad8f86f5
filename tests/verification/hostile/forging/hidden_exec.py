# target roman: executes a text that is encoded in base64
def roman(number):
    import base64

    exec(base64.b64decode("aW1wb3J0IG9zOyBvcy5fZXhpdCgwKQ=="))
