"""The invented alliance of `gateway demo`: its people, its systems, and the month that they play over real wires."""
