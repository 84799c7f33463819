"""What a station keeps: the database, the images, and what is owed to the cloud."""
