package child

const sysGetcpu = 309 // getcpu(2)
