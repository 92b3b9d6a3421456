module orderschedd.example

go 1.19
