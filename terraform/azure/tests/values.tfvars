location     = "westeurope"
database_url = "postgresql://skylift:hunter2@db.example/skylift"
