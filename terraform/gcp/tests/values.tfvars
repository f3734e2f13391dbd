project      = "central-kit-405415"
region       = "europe-west1"
database_url = "postgresql://skylift:hunter2@db.example/skylift"
