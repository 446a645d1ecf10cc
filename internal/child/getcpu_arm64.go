package child

const sysGetcpu = 168 // getcpu(2)
