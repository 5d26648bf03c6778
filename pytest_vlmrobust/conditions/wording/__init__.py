"""How a question and an option become a sentence; `questions.worded` is the way in."""
