"""What strikes a running collector. Each fault can be asked to strike and, where it lasts, to end."""
