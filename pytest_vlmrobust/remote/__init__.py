"""What talks HTTP: servers that speak the OpenAI protocol.

The only room that imports ``openai`` and ``tenacity``. It knows of chats, and nothing of models under test
or of judges.
"""
